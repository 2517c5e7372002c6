import API
import Ingest
import Telemetry

/// Turns committed blocks of watched agents into what their open pages get.
struct LiveBlocks {
    private struct Name: Hashable {
        let agent: AgentID
        let hash: TableHash
    }
    /// Tables kept to name series; the oldest is forgotten, and its series miss on the page until it comes again.
    static let tablesMax = 4096

    let tenant: TenantID
    let feed: LiveFeed
    private var tables: [Name: [SeriesDescriptor]] = [:]

    init(tenant: TenantID, feed: LiveFeed) {
        self.tenant = tenant
        self.feed = feed
    }

    mutating func publish(_ commit: IngestCommit) {
        for table in commit.tables {
            if tables.count >= Self.tablesMax, let victim = tables.keys.first { tables[victim] = nil }
            tables[Name(agent: table.agent, hash: table.hash)] = table.series
        }
        for block in commit.blocks where feed.isWatched(block.agent, of: tenant) {
            guard case .metrics(let hashes, let samples) = block.content, !block.isQuarantined else { continue }
            feed.publish(series(of: samples, hashes, block.agent), of: block.agent, tenant: tenant)
        }
    }

    private func series(of batch: MetricBatch, _ hashes: [TableHash], _ agent: AgentID) -> [LiveSeries] {
        let descriptors = hashes.flatMap { tables[Name(agent: agent, hash: $0)] ?? [] }
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
                series.append(LiveSeries(key: key, samples: samples))
            }
        }
        return series
    }
}
