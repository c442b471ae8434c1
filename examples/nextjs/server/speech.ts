import 'server-only';

import type { Doors, JobHandle, JobReport, Speech } from 'kingcong';

import type { NewSpeech } from '@/lib/requests';

import type { User } from './users';

/** The request as the library takes it. */
export function speechOf(user: User, asked: NewSpeech): Speech {
  const { service, text, subtitles, pieces, speed, voice } = asked;
  return {
    user: user.id,
    ...{ service, text, subtitles, pieces },
    settings: speed === 100 ? undefined : { speed },
    ...(voice.from === 'service' ? { voice: voice.voice } : { clonedVoice: voice.voice }),
  };
}

/** A job that there is at these doors. */
export async function jobOf(kc: Doors, id: string): Promise<[JobHandle, JobReport]> {
  const job = kc.job(id);
  return [job, await job.status()];
}
