"""Settings of the operator: environment, environment file, webhook credential, dialect and inventory files."""
