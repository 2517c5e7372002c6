import Compression
import Telemetry
import WireFormat

/// "hello" in one raw block (RFC 8878).
private let compressed: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 5, 0x29, 0, 0] + Array("hello".utf8)

extension FuzzTarget {
    /// Any bytes decode to something that encodes stably, or to an error.
    static func record<Record: WireRecord>(_ name: String, _ type: Record.Type) -> FuzzTarget {
        FuzzTarget("record-\(name)", golden: "Record-\(name)-") { bytes in
            guard let once = (try? Record(decoding: bytes))?.encoded() else { return }
            require((try? Record(decoding: once))?.encoded() == once, "\(name) does not encode stably")
        }
    }

    static let records: [FuzzTarget] = [
        record("acknowledgement", Acknowledgement.self), record("birth", Birth.self),
        record("state", ConnectionState.self), record("loss", LossBody.self), record("role-list", RoleList.self),
        record("key-bundle", KeyBundle.self), record("certificate", Certificate.self),
        record("key-record", KeyRecord.self), record("manifest", Manifest.self),
        record("manifest-report", ManifestReport.self), record("command", Command.self),
        record("command-result", CommandResult.self), record("sealed-result", SealedResult.self),
        record("enrolment-token", EnrolmentToken.self), record("enrolment-request", EnrolmentRequest.self),
        record("enrolment-response", EnrolmentResponse.self),
        FuzzTarget("envelope", golden: "Record-signed-envelope-") { _ = try? SignedEnvelope(decoding: $0) },
        FuzzTarget("batch-header", golden: "Record-batch-header-") { bytes in
            guard let header = try? BatchHeader(decodingPrefixOf: bytes) else { return }
            var again: [UInt8] = []
            header.encode(into: &again)
            require((try? BatchHeader(decodingPrefixOf: again)) == header, "a header does not read back")
        },
    ]

    static let blocks: [FuzzTarget] = [
        FuzzTarget("metric-block", golden: "MetricBlock-") { bytes in
            let block = try? MetricBlock.decode(bytes)
            require(((try? MetricBlockDecoder().check(bytes)) != nil) == (block != nil), "a check that decoding belies")
            guard let block else { return }
            require(block.batch.sampleCount <= MetricBlock.samplesMax, "more samples than allowed")
        },
        FuzzTarget("event-block", golden: "EventBlock-") { bytes in
            let checked = try? bytes.withUnsafeBytes { try EventBlock.check($0) }
            let outline = try? bytes.withUnsafeBytes { try EventOutline(block: $0) }
            let decoded = try? EventBlock.decode(bytes)
            require(checked == decoded?.count, "a check that decoding belies")
            guard let events = decoded, let once = try? EventBlock.encode(events) else { return }
            require((try? EventBlock.decode(once)) == events, "events do not read back")
            require(outline?.count == events.count && outline?.kinds == EventOutline(events).kinds, "another outline")
            for (position, event) in events.enumerated() {
                require(
                    outline?.id(position).elementsEqual(event.id.utf8) == true
                        && outline?.revision(position) == event.revision, "another outline")
            }
        },
        FuzzTarget("metadata-block", golden: "MetadataBlock-") { bytes in
            guard let families = try? MetadataBlock.decode(bytes) else { return }
            let once = MetadataBlock.encode(families)
            let again = (try? MetadataBlock.decode(once)).map(MetadataBlock.encode)
            require(again == once, "families do not encode stably")
        },
        FuzzTarget("finding-block", golden: "FindingBlock-") { bytes in
            guard let findings = try? FindingBlock.decode(bytes) else { return }
            let once = FindingBlock.encode(findings)
            require((try? FindingBlock.decode(once)).map(FindingBlock.encode) == once, "findings do not encode stably")
        },
        FuzzTarget("series-table", golden: "SeriesTable-") { bytes in
            guard let series = try? SeriesTable.decode(bytes), let once = try? SeriesTable.encode(series) else {
                return
            }
            require((try? SeriesTable.decode(once)) == series, "a table does not read back")
        },
        FuzzTarget("series-chunk", golden: "SeriesChunk-") { bytes in
            guard let chunk = try? SeriesChunk.decode(bytes) else { return }
            require(chunk.timestamps.count == chunk.values.count, "columns of different lengths")
        },
        FuzzTarget("chunk-group", golden: "ChunkGroup-") { bytes in
            guard let decompressor = try? ZstdDecompressor(),
                let reader = try? ChunkGroupReader(bytes, decompressor: decompressor)
            else { return }
            for position in reader.series.indices.prefix(64) {
                guard let values = try? reader.values(position) else { continue }
                require(values.count == reader.timestamps(position).count, "columns of different lengths")
            }
        },
    ]

    static let frames: [FuzzTarget] = [
        FuzzTarget("zstd", seeds: { [compressed] }) { bytes in
            guard let decompressor = try? ZstdDecompressor() else { return }
            let inflated = try? decompressor.decompress(bytes, boundBytes: 1 << 16)
            require((inflated?.count ?? 0) <= 1 << 16, "more than the bound")
        }
    ]
}
