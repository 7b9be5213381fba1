//! Every kind of event that the test driver can produce.
