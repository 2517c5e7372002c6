import Ingest
import Synchronization
import Telemetry
import WireFormat

/// Decodes bodies with this release's codecs. The codecs keep scratch memory, so each call borrows a set of them;
/// there are as many sets as threads ever decoded at once.
final class WireBodyDecoder: BodyDecoder {
    private struct Codecs: @unchecked Sendable {
        // Used by one thread at a time: it is either in `idle` or borrowed by one call.
        let body: BlockBody
        let metrics: MetricBlockDecoder
    }
    private let idle = Mutex<[Codecs]>([])

    private func borrow<Value>(_ use: (Codecs) throws(WireError) -> Value) throws(WireError) -> Value {
        let codecs: Codecs
        if let free = idle.withLock({ $0.popLast() }) {
            codecs = free
        } else {
            do { codecs = Codecs(body: try BlockBody(), metrics: MetricBlockDecoder()) } catch {
                throw .tooLarge("memory for a decoder")
            }
        }
        defer { idle.withLock { $0.append(codecs) } }
        return try use(codecs)
    }

    func metrics(_ body: [UInt8]) throws(WireError) -> MetricContent {
        try borrow { (codecs) throws(WireError) in
            try codecs.metrics.check(codecs.body.decompress(body))
            return MetricContent(codecs.metrics)
        }
    }

    func table(_ body: [UInt8]) throws(WireError) -> (encoded: [UInt8], series: [SeriesDescriptor]) {
        try borrow { (codecs) throws(WireError) in
            let encoded = try codecs.body.decompress(body)
            return (encoded, try SeriesTable.decode(encoded))
        }
    }

    func events(_ body: [UInt8]) throws(WireError) -> EventContent {
        try borrow { (codecs) throws(WireError) in try EventContent(block: codecs.body.decompress(body)) }
    }

    func findings(_ body: [UInt8]) throws(WireError) -> [Finding] {
        try borrow { (codecs) throws(WireError) in try FindingBlock.decode(codecs.body.decompress(body)) }
    }

    func metadata(_ body: [UInt8]) throws(WireError) -> [MetricMetadata] {
        try borrow { (codecs) throws(WireError) in try MetadataBlock.decode(codecs.body.decompress(body)) }
    }
}
