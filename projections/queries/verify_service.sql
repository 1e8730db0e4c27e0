SELECT region, day, events, registered, verified, activated, failed, outsiders_activated FROM service_day FINAL
