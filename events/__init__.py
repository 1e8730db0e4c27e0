"""What happened: the contracts. Schemas, examples, codec, rules, topics, publisher."""
