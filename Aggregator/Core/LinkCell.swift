import Synchronization

/// Where the ingest finds the broker link, which is made after it.
final class LinkCell: Sendable {
    private let held = Mutex<BrokerLink?>(nil)
    func set(_ link: BrokerLink) { held.withLock { $0 = link } }
    var link: BrokerLink? { held.withLock { $0 } }
}

/// Where the ingest finds the manifests and commands, which are published over the link.
final class OfficeCell: Sendable {
    private let held = Mutex<(manifests: ManifestOffice, commands: CommandOffice)?>(nil)
    func set(_ manifests: ManifestOffice, _ commands: CommandOffice) { held.withLock { $0 = (manifests, commands) } }
    var manifests: ManifestOffice? { held.withLock { $0?.manifests } }
    var commands: CommandOffice? { held.withLock { $0?.commands } }
}
