//! MAAS REST 2.0 client: machines, networks, images, VM hosts; with a fake region for tests.
