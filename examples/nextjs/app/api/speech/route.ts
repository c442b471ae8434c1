import { SubmittedSpeech } from '@/lib/requests';
import { forUsers } from '@/server/route';
import { speechOf } from '@/server/speech';
import { jobDetail } from '@/server/views';

/** Holds the credits and queues the work, both or neither. It goes on whether anybody watches or not. */
export const POST = forUsers({ body: SubmittedSpeech }, async ({ kc, user, body, language }) => {
  const job = await kc.submit({ ...speechOf(user, body), idempotencyKey: body.idempotencyKey });
  return jobDetail(await job.status(), language);
});
