import { Weights } from '@/lib/requests-admin';
import { forAdministrators } from '@/server/route';

export const PUT = forAdministrators({ body: Weights }, ({ kc, user, body }) => kc.config.by(user.id).setWeights(body));
