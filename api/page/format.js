// Numbers and dates as they are written in Indonesian (43.336; 9,59 %; 28 Juni 2024) and in English.

const ZONE = "Asia/Jakarta"; // a day is a day in western Indonesia
const LOCALES = { id: "id-ID", en: "en-GB" };

export function formats(lang) {
  const locale = LOCALES[lang];
  const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  const two = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const small = new Intl.NumberFormat(locale, { minimumSignificantDigits: 2, maximumSignificantDigits: 2 });
  const one = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
  const day = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeZone: "UTC" });
  const month = new Intl.DateTimeFormat(locale, { month: "short", year: "numeric", timeZone: "UTC" });
  const clock = new Intl.DateTimeFormat(locale, { timeStyle: "medium", timeZone: ZONE });
  const date = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeZone: ZONE });
  const sameDay = (a, b) => date.format(a) === date.format(b);
  return {
    count: (value) => whole.format(value),
    compact: (value) => new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 }).format(value),
    rate: (value) => new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 }).format(value),
    // What is not nothing never shows as 0,00 %.
    share: (ratio) => `${(ratio !== 0 && Math.abs(ratio) < 0.001 ? small : two).format(ratio * 100)}\u00a0%`,
    // A round share, such as a target, without decimals that say nothing.
    target: (ratio) => `${one.format(ratio * 100)}\u00a0%`,
    day: (text) => day.format(new Date(`${text}T00:00:00Z`)),
    month: (text) => month.format(new Date(`${text}T00:00:00Z`)),
    moment: (at, now = new Date()) =>
      sameDay(at, now) ? `${clock.format(at)} WIB` : `${date.format(at)}, ${clock.format(at)} WIB`,
    duration(seconds, t) {
      if (seconds < 60) return `${one.format(Math.max(seconds, 0))} ${t("s")}`;
      if (seconds < 3600) return `${whole.format(seconds / 60)} ${t("min")}`;
      if (seconds < 172_800) return `${whole.format(seconds / 3600)} ${t("hours")}`;
      return `${whole.format(seconds / 86_400)} ${t("days")}`;
    },
  };
}
