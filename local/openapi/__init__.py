"""The API as a document for machines: OpenAPI 3.1, made from the routes that answer and the models that check."""
