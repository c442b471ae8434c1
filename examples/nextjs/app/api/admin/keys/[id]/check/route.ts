import { KeyId } from '@/lib/requests-admin';
import { forAdministrators } from '@/server/route';

/** Asks the upstream about a key; it costs nothing. */
export const POST = forAdministrators({ params: KeyId }, ({ kc, params }) => kc.keys.check(params.id));
