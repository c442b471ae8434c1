import { NewSpeech } from '@/lib/requests';
import { forUsers } from '@/server/route';
import { speechOf } from '@/server/speech';

/** What a text would cost. Nothing is charged. */
export const POST = forUsers({ body: NewSpeech }, ({ kc, user, body }) => kc.estimate(speechOf(user, body)));
