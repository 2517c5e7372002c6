import AgentCore
import Buffer
import Compression
import Control
import Detection
import Sources
import Telemetry
import WireFormat

/// What an agent keeps over a restart or is given as a file: damage costs what it says, and nothing else.
extension FuzzTarget {
    static let states: [FuzzTarget] = [
        record("agent-identity", AgentIdentity.self), record("pending-keys", Enrolment.PendingKeys.self),
        record("time-floor", TimeFloor.Kept.self), record("command-log", CommandLog.Kept.self),
        record("control-state", ControlState.self),
        FuzzTarget("action-log") { bytes in
            guard let once = (try? ActionLog.decode(bytes)).map(ActionLog.encode) else { return }
            require((try? ActionLog.decode(once)).map(ActionLog.encode) == once, "actions do not encode stably")
        },
        FuzzTarget("told-findings") { bytes in
            let once = ToldFindings(bytes).bytes
            require(ToldFindings(once).bytes == once, "reports do not encode stably")
        },
        FuzzTarget("lane-account", seeds: { [[1] + [UInt8](repeating: 1, count: 20)] }) { bytes in
            let key = LaneKey(epoch: EpochID(high: 1, low: 2), lane: .live)
            _ = bytes.withUnsafeBytes { LaneAccount(key: key, content: $0) }
        },
        FuzzTarget("log-position", seeds: { [LogPosition(path: "/a", device: 1, inode: 2, offset: 3).encoded] }) {
            guard let position = LogPosition(encoded: $0) else { return }
            require(LogPosition(encoded: position.encoded) == position, "a position does not read back")
        },
        FuzzTarget("dry-run", seeds: { [DryRun.encode([.init(isOwn: true, name: "a", text: "interval: 1s")])] }) {
            bytes in
            guard let bodies = try? DryRun.decode(bytes) else { return }
            require((try? DryRun.decode(DryRun.encode(bodies))) == bodies, "manifests do not read back")
        },
        FuzzTarget("detection-models", seeds: { [learnt] }) { bytes in
            guard let recording else { return }
            var replay = DetectionReplay(recording)
            guard replay.restore(bytes) else { return }
            // Detectors are read when their series come.
            try? replay.run { _, _ in }
            require(replay.restore(replay.detection.models), "models that it wrote itself do not read")
        },
        FuzzTarget("detection-recording", seeds: { [recordingBody] }) { bytes in
            // What stands in the frame, which nobody guesses.
            guard let frame = try? ZstdCompressor(level: 1).compress(bytes) else { return }
            let file = DetectionRecording.magic + [DetectionRecording.version] + frame
            guard let recording = try? DetectionRecording(bytes: file) else { return }
            guard let once = try? recording.bytes else { return }
            require((try? DetectionRecording(bytes: once))?.series == recording.series, "series do not read back")
            guard recording.parts.reduce(0, { $0 + samples($1) }) <= 2000 else { return }
            var replay = DetectionReplay(recording)
            try? replay.run { _, _ in }
        },
        FuzzTarget("recording-export", texts: exportLines) { bytes in
            var writer = RecordingWriter()
            for line in bytes.split(separator: UInt8(ascii: "\n")) {
                guard (try? Array(line).withUnsafeBytes({ try writer.add(line: $0) })) != nil else { return }
            }
            guard let recording = try? writer.recording(), let file = try? recording.bytes else { return }
            require((try? DetectionRecording(bytes: file))?.parts == recording.parts, "a recording does not read back")
        },
    ]

    private static let exportLines = [
        #"{"metric":{"__name__":"node_load1","a":"b"},"timestamps":[1000,2000,3000],"values":[1.5,null,2]}"#,
        #"{"metric":{"__name__":"node_forks_total"},"timestamps":[1000,2000,3000],"values":[1,2,9]}"#,
    ]

    private static let recording: DetectionRecording? = {
        var writer = RecordingWriter()
        for line in exportLines {
            guard (try? Array(line.utf8).withUnsafeBytes({ try writer.add(line: $0) })) != nil else { return nil }
        }
        return try? writer.recording()
    }()

    private static let recordingBody: [UInt8] = {
        guard let file = try? recording?.bytes, let decompressor = try? ZstdDecompressor() else { return [] }
        let frame = Array(file.dropFirst(DetectionRecording.magic.count + 1))
        return (try? decompressor.decompress(frame, boundBytes: 1 << 16)) ?? []
    }()

    private static let learnt: [UInt8] = {
        guard let recording else { return [] }
        var replay = DetectionReplay(recording)
        try? replay.run { _, _ in }
        return replay.detection.models
    }()

    private static func samples(_ part: [UInt8]) -> Int {
        (try? MetricBlock.decode(part))?.batch.sampleCount ?? 0
    }
}
