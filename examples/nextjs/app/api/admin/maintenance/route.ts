import { NewMaintenance } from '@/lib/requests-admin';
import { forAdministrators } from '@/server/route';

export const PUT = forAdministrators({ body: NewMaintenance }, ({ kc, body: { isFull, services } }) =>
  kc.config.setMaintenance(isFull ? { isFull } : { services }),
);
