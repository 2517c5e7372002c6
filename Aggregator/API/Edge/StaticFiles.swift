import Glibc
import HTTPTypes
import Hummingbird
import Sealing

/// The dashboard's files, read into memory at start. A request only looks a name up, so no path can lead out.
struct StaticFiles {
    static let filesMax = 64
    static let fileBytesMax = 2 << 20

    private struct File: Sendable {
        let path: String
        let type: String
        let tag: String
        let bytes: ByteBuffer
    }
    private var files: [File] = []

    /// No script but our own, nothing from elsewhere, no framing. The charts place their labels by style attributes.
    static let contentSecurityPolicy = """
        default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; \
        connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'
        """

    /// - Throws: ``Problem`` when there is no page in `webRoot`.
    init(webRoot: String, dygraphsRoot: String) throws {
        add(webRoot, prefix: "/") { _ in true }
        // Charts are missing without the package; the page says so.
        add(dygraphsRoot, prefix: "/vendor/dygraphs/") { $0.hasPrefix("dygraph.min.") }
        guard let index = files.first(where: { $0.path == "/index.html" }) else {
            throw Problem(
                .notFound, "\(webRoot)/index.html cannot be read: give the dashboard's folder as the web root")
        }
        files.append(File(path: "/", type: index.type, tag: index.tag, bytes: index.bytes))
    }

    private mutating func add(_ folder: String, prefix: String, where isWanted: (String) -> Bool) {
        guard let directory = opendir(folder) else { return }
        defer { closedir(directory) }
        while let entry = readdir(directory), files.count < Self.filesMax {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard !name.hasPrefix("."), isWanted(name), let type = Self.type(of: name),
                let bytes = Self.read("\(folder)/\(name)")
            else { continue }
            let tag = "\"\(Hash.blake2b128(bytes))\""
            files.append(File(path: prefix + name, type: type, tag: tag, bytes: ByteBuffer(bytes: bytes)))
        }
    }

    func register(on router: Router<APIContext>) {
        for file in files {
            router.get(RouterPath(file.path)) { request, _ in
                // Small files, unchanged for long: the tag decides, so a new version shows at once.
                var headers: HTTPFields = [.contentType: file.type, .cacheControl: "no-cache", .eTag: file.tag]
                headers[.contentSecurityPolicy] = Self.contentSecurityPolicy
                // Compressed, the tag went out as a weak one.
                if let known = request.headers[.ifNoneMatch], known == file.tag || known == "W/" + file.tag {
                    return Response(status: .notModified, headers: headers)
                }
                return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: file.bytes))
            }
        }
    }

    private static func type(of name: String) -> String? {
        switch name.split(separator: ".").last {
        case "html": "text/html; charset=utf-8"
        case "js": "text/javascript; charset=utf-8"
        case "css": "text/css; charset=utf-8"
        case "svg": "image/svg+xml"
        case "png": "image/png"
        default: nil
        }
    }

    private static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= fileBytesMax
        else { return nil }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0, bytes.count + count <= fileBytesMax else { return nil }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk.prefix(count))
        }
    }
}
