import { z } from 'zod';

import { DAYS } from '@/lib/requests-admin';
import { forAdministrators } from '@/server/route';
import { statisticsOf } from '@/server/statistics';

const Query = z.object({ days: z.coerce.number().pipe(z.literal(DAYS)) });

export const GET = forAdministrators({ query: Query }, ({ kc, query: { days } }) => statisticsOf(kc, days));
