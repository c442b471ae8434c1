import { RouteId, RouteSwitch } from '@/lib/requests-admin';
import { forAdministrators } from '@/server/route';

/** Switches a route on or off; when this answers, nothing starts against it any more, in any process. */
export const PUT = forAdministrators({ params: RouteId, body: RouteSwitch }, ({ kc, params, body }) =>
  kc.config.setRoute(params.server, params.service, body.switch),
);
