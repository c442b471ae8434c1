import { forUsers } from '@/server/route';
import { statusOf } from '@/server/status';

/** What the status bar shows. */
export const GET = forUsers({}, ({ kc, user, language }) => statusOf(kc, user, language));
