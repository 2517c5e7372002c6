import Detection
import Glibc
import Telemetry

/// What was learnt of a tenant's fleet, on disk: `fleet.model` in its directory.
///
/// Written as a new file and renamed, so that there is the old one or the new one. It is worth an hour of learning, no
/// more: one that is damaged, of another version or older than ``ageMax`` is left aside, and everything is learnt anew.
struct FleetFile {
    static let bytesMax = 256 << 20
    /// Seconds.
    static let ageMax = 86_400
    let path: String

    init(directory: String) { path = "\(directory)/fleet.model" }

    /// - Returns: nil when there is none that is of use.
    func read(now: Timestamp) -> PeerModel? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_size <= Self.bytesMax,
            abs(now.milliseconds / 1000 - Int64(status.st_mtim.tv_sec)) <= Int64(Self.ageMax),
            let file = fopen(path, "r")
        else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        guard fread(&bytes, 1, bytes.count, file) == bytes.count else { return nil }
        // Learnt anew, as said above.
        return try? PeerModel(bytes: bytes)
    }

    func write(_ model: PeerModel) throws(SmallFileError) {
        let fresh = path + ".new"
        guard let file = fopen(fresh, "w") else { throw SmallFileError(path: fresh, code: errno) }
        let bytes = model.bytes
        let written = fwrite(bytes, 1, bytes.count, file)
        guard fclose(file) == 0, written == bytes.count else { throw SmallFileError(path: fresh, code: errno) }
        guard rename(fresh, path) == 0 else { throw SmallFileError(path: path, code: errno) }
    }
}

extension SeriesKey {
    /// A feature's key as a name of the model, and back.
    var modelName: String { labels.map { "\($0.name)\u{1}\($0.value)" }.joined(separator: "\u{2}") }
    init(modelName: String) {
        self.init(
            labels: modelName.split(separator: "\u{2}").map { part in
                let pair = part.split(separator: "\u{1}", maxSplits: 1, omittingEmptySubsequences: false)
                return Label(String(pair[0]), pair.count > 1 ? String(pair[1]) : "")
            })
    }
}
