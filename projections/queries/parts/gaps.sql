arrayFilter(each -> each > 0, arrayDifference(arraySort(times))) AS lengths
