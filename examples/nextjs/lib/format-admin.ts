/** Keys and shares as administrators read them. */

import type { Key } from 'kingcong';

import type { Language } from './words';

/** A key as people tell it from others: masks and labels may be alike. */
export function keyText({ id, label, mask }: Pick<Key, 'id' | 'label' | 'mask'>): string {
  return `${label === '' ? mask : label} #${id.slice(-4)}`.trimStart();
}

export function percentText(percent: number, language: Language): string {
  return `${percent.toLocaleString(language)} %`;
}

/** A day as 22/11/2026. */
export function dayText(day: string): string {
  return day.split('-').reverse().join('/');
}
