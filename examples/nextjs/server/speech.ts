import 'server-only';

import type { JobHandle, JobReport, KingCong, Speech } from 'kingcong';

import type { NewSpeech } from '@/lib/requests';

import { notThere } from './refused';
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

/** A job of this user; for others it is not there. */
export async function ownJob(kc: KingCong, user: User, id: string): Promise<[JobHandle, JobReport]> {
  const job = kc.job(id);
  const report = await job.status();
  if (report.job.user !== user.id) throw notThere();
  return [job, report];
}
