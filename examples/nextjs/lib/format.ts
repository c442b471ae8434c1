/** Amounts and instants as people read them. */

import type { Amount } from 'kingcong';

import type { Language } from './words';

const LOCALES: Readonly<Record<Language, string>> = { vi: 'vi-VN', en: 'en-GB' };

/** An amount with its thousands told apart; exact, also where a number could not hold it. */
export function amountText(amount: Amount, language: Language): string {
  const [whole = '0', fraction] = String(amount).split('.');
  const digits = BigInt(whole).toLocaleString(LOCALES[language]);
  const isNegative = whole.startsWith('-') && !digits.startsWith('-');
  return `${isNegative ? '-' : ''}${digits}${fraction === undefined ? '' : (language === 'vi' ? ',' : '.') + fraction}`;
}

export function dollarText(amount: Amount, language: Language): string {
  const [whole = '0', fraction = ''] = String(amount).split('.');
  const cents = fraction.replace(/0+$/, '');
  return `$${amountText(cents === '' ? whole : `${whole}.${cents.padEnd(2, '0')}`, language)}`;
}

export function instantText(instant: string | Date, language: Language): string {
  return new Date(instant).toLocaleString(LOCALES[language], { dateStyle: 'short', timeStyle: 'medium' });
}

/** A server's or service's id as it is written for people, where nobody gave it a name. */
export function idText(id: string): string {
  return /\d/.test(id) ? id.toUpperCase() : id.charAt(0).toUpperCase() + id.slice(1);
}
