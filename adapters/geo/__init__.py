"""Places by position, offline: `places.OfflineGeocoder`, and `build`, which makes the data it reads."""
