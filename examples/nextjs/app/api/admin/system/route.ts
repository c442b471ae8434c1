import { forAdministrators } from '@/server/route';
import { systemOf } from '@/server/system';

export const GET = forAdministrators({}, ({ kc }) => systemOf(kc));
