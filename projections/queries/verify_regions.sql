SELECT DISTINCT region FROM coverage_day ORDER BY region
