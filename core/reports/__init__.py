"""What finished runs show people: tables, pictures, labels that look wrong. Looks on. Free of torch."""
