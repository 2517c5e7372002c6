import Access
import Ingest

/// The openers ask the directory who an agent is.
extension AgentDirectory: CertificateSource {}
