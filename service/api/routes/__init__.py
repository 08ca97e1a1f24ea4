"""One file a group of routes: parse, one await on the engine, shape the reply."""
