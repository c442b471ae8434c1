import { NewVoice, SAMPLE_BYTES_MAX } from '@/lib/requests';
import { Refused, invalid, tooLarge } from '@/server/refused';
import { bodyOf, forUsers } from '@/server/route';
import { jobDetail, type VoiceView } from '@/server/views';

/** What the form's other fields may take. */
const FIELDS_BYTES_MAX = 64 * 1024;

/** The voices that the user cloned, newest first. */
export const GET = forUsers({}, async ({ kc, user }): Promise<VoiceView[]> => {
  const voices = await kc.voices.cloned(user.id);
  return voices
    .map(({ id, name, service, createdAt }) => ({ id, name, service, createdAt }))
    .sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
});

/** Makes a voice from a recording; the job's end brings it to the user's voices. */
export const POST = forUsers({}, async ({ kc, user, request, language }) => {
  const body = await bodyOf(request, SAMPLE_BYTES_MAX + FIELDS_BYTES_MAX);
  const form = await new Response(new Uint8Array(body), {
    headers: { 'Content-Type': request.headers.get('content-type') ?? '' },
  })
    .formData()
    .catch(() => {
      throw invalid({ en: 'The body must be a form', vi: 'Nội dung phải là biểu mẫu' });
    });
  const sample = form.get('sample');
  const { name, service, idempotencyKey } = NewVoice.parse(Object.fromEntries(form));
  if (!(sample instanceof File) || sample.size === 0) {
    throw invalid({ en: 'There is no recording', vi: 'Chưa có bản ghi âm' });
  }
  if (sample.size > SAMPLE_BYTES_MAX) throw tooLarge();
  // Browsers name what they recorded with its codecs: `audio/webm;codecs=opus`.
  const contentType = sample.type.split(';')[0] ?? '';
  if (!contentType.startsWith('audio/')) {
    throw new Refused(415, 'no_audio', { en: 'The file is no audio', vi: 'Tệp không phải là âm thanh' });
  }
  const job = await kc.submit({
    user: user.id,
    ...{ service, name, contentType, idempotencyKey },
    sample: new Uint8Array(await sample.arrayBuffer()),
  });
  return jobDetail(await job.status(), language);
});
