-- How many events there are, and in which provinces.
SELECT count() AS events, arraySort(groupUniqArray(intDiv(domicile, 100000000))) AS provinces
FROM activation_event
