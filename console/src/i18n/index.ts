// SPDX-License-Identifier: Apache-2.0
import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';
import en from './en.json';
import it from './it.json';

export const languages = ['en', 'it'] as const;
export type Language = (typeof languages)[number];

const storageKey = 'corsia.language';

/** The language of the last visit, else the browser's, else English. */
function firstLanguage(): Language {
  const kept = localStorage.getItem(storageKey);
  const wanted = kept ?? navigator.language.slice(0, 2);
  return languages.find((language) => language === wanted) ?? 'en';
}

void i18next.use(initReactI18next).init({
  resources: { en: { translation: en }, it: { translation: it } },
  lng: firstLanguage(),
  fallbackLng: 'en',
  interpolation: { escapeValue: false },
});

document.documentElement.lang = i18next.language;
i18next.on('languageChanged', (language) => {
  document.documentElement.lang = language;
  localStorage.setItem(storageKey, language);
});

export default i18next;
