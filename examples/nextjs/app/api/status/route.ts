import { forUsers } from '@/server/route';
import { statusOf } from '@/server/status';

/** What the status bar shows. */
export const GET = forUsers({}, ({ library, user, language }) => statusOf(library, user, language));
