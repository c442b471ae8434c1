// One copy of the package serves both kinds of module, so that `instanceof` holds between them.
import providers from '../dist/providers.js';

export const {
  AccountRateLimited,
  AnswerLost,
  BadRequest,
  Busy,
  ContentRefused,
  EgressRateLimited,
  KeyDead,
  KeyDoubtful,
  NotAllowed,
  OutOfCredit,
  ProviderFailure,
  RateLimited,
  Unsupported,
} = providers;
