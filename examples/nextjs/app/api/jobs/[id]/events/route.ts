import { setTimeout as sleep } from 'node:timers/promises';

import { KingCongError, type JobHandle } from 'kingcong';

import { JobId } from '@/lib/requests';
import type { Language } from '@/lib/words';
import { forUsers } from '@/server/route';
import { jobOf } from '@/server/speech';
import { jobDetail } from '@/server/views';

/** How often a job is looked at that another process works on: its events are told there. */
const LOOK_MS = 1_000;
/** After so many looks that found nothing new a comment is sent: proxies end streams that are silent for a minute. */
const QUIET_LOOKS = 15;
/** Events that come this close together are told as one. */
const TOGETHER_MS = 100;

/** Server-sent events: the job, each time that something of it changed, until it has ended. */
export const GET = forUsers({ params: JobId }, async ({ kc, params, language, request }) => {
  const [job] = await jobOf(kc, params.id);
  const details = detailsOf(job, language, request.signal);
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await details.next().catch((error: unknown) => {
        // Who went away is told nothing more; who stays connects to a process that does not end.
        const isEnding = error instanceof KingCongError && error.code === 'closed';
        if (request.signal.aborted || isEnding) return { done: true as const, value: undefined };
        throw error;
      });
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    async cancel() {
      await details.return(undefined);
    },
  });
  const headers = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' };
  return new Response(stream, { headers });
});

/** The job as an event, each time that it is another; and now and then nothing, so that a lost listener is noticed. */
async function* detailsOf(job: JobHandle, language: Language, signal: AbortSignal): AsyncGenerator<string, void> {
  const percents = new Map<number, number>();
  const left = new AbortController();
  let changed = new AbortController();
  const watch = async () => {
    for await (const event of job.events({ signal: AbortSignal.any([signal, left.signal]) })) {
      if (event.kind === 'task_progress') percents.set(event.place, event.percent);
      changed.abort();
    }
  };
  // Watched first, looked at then: nothing is missed in between. What fails here fails at the next look too.
  watch().catch(() => changed.abort());
  try {
    for (let told = '', quiet = 0; ; quiet += 1) {
      const report = await job.status({ signal });
      const detail = JSON.stringify(jobDetail(report, language, percents));
      if (detail !== told) {
        [told, quiet] = [detail, 0];
        yield `event: job\ndata: ${detail}\n\n`;
      } else if (quiet % QUIET_LOOKS === 0) {
        yield ':\n\n';
      }
      if (report.job.isFinal) return;
      await sleep(LOOK_MS, undefined, { signal: AbortSignal.any([signal, changed.signal]) }).catch(() => {});
      changed = new AbortController();
      await sleep(TOGETHER_MS, undefined, { signal });
    }
  } finally {
    left.abort();
  }
}
