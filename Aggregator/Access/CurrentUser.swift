import Glibc

/// The user that this process runs as; mosquitto started by root would else become `mosquitto` and not read
/// the 0600 files.
enum CurrentUser {
    static var name: String {
        guard let entry = getpwuid(geteuid()), let name = entry.pointee.pw_name else { return "root" }
        return String(cString: name)
    }
}
