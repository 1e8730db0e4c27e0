// An approximate grid of the provinces: [code, short name, column, row], from west to east and north to south.

export const COLUMNS = 15;
export const GRID = [
  ["11", "Aceh", 1, 1], ["12", "Sumut", 2, 2], ["13", "Sumbar", 2, 3], ["14", "Riau", 3, 3], ["21", "Kepri", 4, 2],
  ["15", "Jambi", 3, 4], ["17", "Bengkulu", 2, 4], ["16", "Sumsel", 3, 5], ["19", "Babel", 4, 4], ["18", "Lampung", 3, 6],
  ["36", "Banten", 4, 7], ["31", "Jakarta", 5, 6], ["32", "Jabar", 5, 7], ["33", "Jateng", 6, 7], ["34", "DIY", 6, 8],
  ["35", "Jatim", 7, 7], ["51", "Bali", 8, 7], ["52", "NTB", 9, 7], ["53", "NTT", 10, 7],
  ["61", "Kalbar", 5, 3], ["62", "Kalteng", 6, 3], ["63", "Kalsel", 7, 4], ["64", "Kaltim", 7, 2], ["65", "Kaltara", 7, 1],
  ["76", "Sulbar", 9, 3], ["72", "Sulteng", 10, 3], ["75", "Gorontalo", 10, 2], ["71", "Sulut", 11, 2],
  ["73", "Sulsel", 9, 4], ["74", "Sultra", 10, 4], ["82", "Malut", 12, 2], ["81", "Maluku", 12, 4],
  ["96", "PBD", 13, 2], ["92", "Pabar", 13, 3], ["91", "Papua", 15, 2], ["94", "Papteng", 14, 3],
  ["95", "Papeg", 15, 3], ["93", "Pasel", 15, 4],
];
