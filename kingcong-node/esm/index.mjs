// One copy of the package serves both kinds of module, so that `instanceof` holds between them.
import kingcong from '../dist/index.js';

export const { KingCong, KingCongError } = kingcong;
