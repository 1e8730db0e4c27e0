// The tiles of the page, in the order in which they stand there.

import { alerts } from "./alerts.js";
import { barriers } from "./barriers.js";
import { claims } from "./claims.js";
import { funnel } from "./funnel.js";
import { headline } from "./headline.js";
import { integrity } from "./integrity.js";
import { map } from "./map.js";
import { nextVisits } from "./next_visits.js";
import { outreach } from "./outreach.js";
import { pace } from "./pace.js";
import { ranking } from "./ranking.js";
import { rates } from "./rates.js";
import { served } from "./served.js";
import { series } from "./series.js";
import { silence } from "./silence.js";
import { sources } from "./sources.js";
import { villages } from "./villages.js";
import { week } from "./week.js";

export const TILES = [
  integrity, alerts, headline, map, rates, week, pace, ranking, sources, series, funnel, barriers, claims, outreach, silence, served, nextVisits, villages,
];
