import Synchronization

/// Where the ingest finds the broker link, which is made after it.
final class LinkCell: Sendable {
    private let held = Mutex<BrokerLink?>(nil)
    func set(_ link: BrokerLink) { held.withLock { $0 = link } }
    var link: BrokerLink? { held.withLock { $0 } }
}

/// Where the ingest finds the manifests, which are published over the link.
final class OfficeCell: Sendable {
    private let held = Mutex<ManifestOffice?>(nil)
    func set(_ office: ManifestOffice) { held.withLock { $0 = office } }
    var office: ManifestOffice? { held.withLock { $0 } }
}
