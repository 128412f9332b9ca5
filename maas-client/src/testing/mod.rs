//! A fake region over real sockets.
