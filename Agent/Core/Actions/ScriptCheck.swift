package import Actions
import Glibc

/// Whether a script may be run: nobody but root and the agent's own user can have written it, or put another in its place.
package enum ScriptCheck {
    /// Why an action would not be done now; nil when nothing is in its way.
    package static func objection(to action: LocalAction) -> String? {
        guard case .exec(let path, _) = action.kind, case .unfit(let reason) = check(path) else { return nil }
        return reason
    }

    enum Verdict: Equatable {
        /// The path without links.
        case fit(String)
        case unfit(String)
    }

    /// A regular file (no link) that the agent may execute, owned by root or the agent's user and writable by nobody else;
    /// so are the folders above it, but that others may write to those with the sticky bit (stat(2), S_ISVTX).
    static func check(_ path: String) -> Verdict {
        var facts = stat()
        guard lstat(path, &facts) == 0 else { return .unfit("\(path): \(String(cString: strerror(errno)))") }
        guard facts.st_mode & S_IFMT == S_IFREG else { return .unfit("\(path) is no regular file") }
        guard let resolved = realpath(path, nil) else {
            return .unfit("\(path): \(String(cString: strerror(errno)))")
        }
        defer { free(resolved) }
        let real = String(cString: resolved)
        guard isOurs(facts) else { return .unfit("\(path) belongs to another user") }
        guard facts.st_mode & othersMayWrite == 0 else { return .unfit("\(path) can be written by others") }
        guard access(real, X_OK) == 0 else { return .unfit("\(path) cannot be executed") }
        var folder = real[..<(real.lastIndex(of: "/") ?? real.startIndex)]
        while true {
            let shown = folder.isEmpty ? "/" : String(folder)
            guard lstat(shown, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR else {
                return .unfit("\(shown) is no folder")
            }
            guard isOurs(facts) else { return .unfit("the folder \(shown) belongs to another user") }
            guard facts.st_mode & othersMayWrite == 0 || facts.st_mode & S_ISVTX != 0 else {
                return .unfit("the folder \(shown) can be written by others")
            }
            guard let slash = folder.lastIndex(of: "/") else { return .fit(real) }
            folder = folder[..<slash]
        }
    }

    private static let othersMayWrite = S_IWGRP | S_IWOTH
    private static func isOurs(_ facts: stat) -> Bool { facts.st_uid == 0 || facts.st_uid == geteuid() }
}
