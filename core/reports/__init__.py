"""Reports on finished runs: tables, pictures, labels that are probably wrong. Decides no result. Free of torch."""
