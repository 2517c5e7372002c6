import API
import Ingest
import Store
import Telemetry
import WireFormat

/// Turns committed blocks of watched agents into what their open pages get.
struct LiveBlocks {
    private struct Name: Hashable {
        let agent: AgentID
        let hash: TableHash
    }
    /// Tables kept to name series of watched agents; beyond it one is forgotten, and read again when it is named.
    static let tablesMax = 256

    let tenant: TenantID
    let feed: LiveFeed
    let store: TenantStore
    private var tables: [Name: [SeriesDescriptor]] = [:]

    init(tenant: TenantID, feed: LiveFeed, store: TenantStore) {
        self.tenant = tenant
        self.feed = feed
        self.store = store
    }

    mutating func publish(_ commit: IngestCommit) {
        for block in commit.blocks where feed.isWatched(block.agent, of: tenant) {
            guard case .metrics(let metrics) = block.content, !block.isQuarantined,
                !block.header.flags.contains(.relayed), let samples = store.samples(of: block)
            else { continue }
            feed.publish(
                series(of: samples, metrics.tables.map(\.hash), block.agent), of: block.agent, tenant: tenant)
        }
    }

    /// A page is no reason to fail a commit: what cannot be read is not shown.
    private mutating func table(_ hash: TableHash, of agent: AgentID) -> [SeriesDescriptor]? {
        let name = Name(agent: agent, hash: hash)
        if let known = tables[name] { return known }
        guard let read = try? store.table(hash, of: agent) else { return nil }
        if tables.count >= Self.tablesMax, let victim = tables.keys.first { tables[victim] = nil }
        tables[name] = read
        return read
    }

    private mutating func series(of batch: MetricBatch, _ hashes: [TableHash], _ agent: AgentID) -> [LiveSeries] {
        var descriptors: [SeriesDescriptor] = []
        for hash in hashes {
            guard let table = table(hash, of: agent) else { return [] }
            descriptors += table
        }
        var series: [LiveSeries] = []
        for group in batch.groups {
            let height = group.timestamps.count
            for (position, number) in group.series.enumerated() where Int(number) < descriptors.count {
                let key = descriptors[Int(number)].key
                guard LiveFeed.metricNames.contains(key.name) else { continue }
                let samples = group.timestamps.indices.map {
                    Sample(
                        timestamp: Timestamp(milliseconds: group.timestamps[$0]),
                        value: group.values[position * height + $0])
                }
                let anomalies = group.timestamps.indices.filter { group.isAnomalous(position * height + $0) }
                series.append(LiveSeries(key: key, samples: samples, anomalies: Set(anomalies)))
            }
        }
        return series
    }
}
