/** Subtitles as SubRip has them. */

export interface Cue {
  /** In milliseconds from the beginning. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const TIMES = /^(\d+):(\d\d):(\d\d)[,.](\d{3}) --> (\d+):(\d\d):(\d\d)[,.](\d{3})/;

function milliseconds(parts: readonly string[]): number {
  const [hours = 0, minutes = 0, seconds = 0, rest = 0] = parts.map(Number);
  return ((hours * 60 + minutes) * 60 + seconds) * 1000 + rest;
}

/** The cues of a SubRip text; what is no cue is left out. */
export function cuesOf(srt: string): Cue[] {
  return srt.split(/\r?\n\r?\n/).flatMap((block) => {
    const lines = block.trim().split(/\r?\n/);
    const at = lines.findIndex((line) => TIMES.test(line));
    const times = TIMES.exec(lines[at] ?? '');
    if (times === null) return [];
    const text = lines.slice(at + 1).join('\n');
    return [{ start: milliseconds(times.slice(1, 5)), end: milliseconds(times.slice(5, 9)), text }];
  });
}
