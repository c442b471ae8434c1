import { Weights } from '@/lib/requests-admin';
import { forAdministrators } from '@/server/route';

export const PUT = forAdministrators({ body: Weights }, ({ kc, body }) => kc.config.setWeights(body));
