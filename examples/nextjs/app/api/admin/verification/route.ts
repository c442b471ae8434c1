import { forAdministrators } from '@/server/route';

/** Counts everything again; nothing is changed. */
export const POST = forAdministrators({}, ({ kc }) => kc.verify());
