"""Makes a competition folder: of drawn people, or of photographs with drawn masks. No other folder imports it."""
