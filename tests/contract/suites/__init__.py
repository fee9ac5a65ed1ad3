"""The suites themselves; the modules beside this folder hold each adapter to them."""
