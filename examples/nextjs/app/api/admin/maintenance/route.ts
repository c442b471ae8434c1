import { NewMaintenance } from '@/lib/requests-admin';
import { forAdministrators } from '@/server/route';

export const PUT = forAdministrators({ body: NewMaintenance }, ({ kc, user, body: { isFull, services } }) =>
  kc.config.by(user.id).setMaintenance(isFull ? { isFull } : { services }),
);
