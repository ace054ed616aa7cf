use super::*;

fn env<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
    |name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
}

#[test]
fn the_file_is_the_configs_or_in_the_state_folder() {
    let home = ("HOME", "/home/a");
    let of = |path: Option<&str>, set: &[(&str, &str)]| of_agent(path.map(Path::new), env(set));
    assert_eq!(of(Some("/x/y.db"), &[home]), Ok("/x/y.db".into()));
    assert_eq!(of(None, &[("STATE_DIRECTORY", "/var/lib/a"), home]), Ok("/var/lib/a/opsagent.db".into()));
    assert_eq!(of(None, &[home]), Ok("/home/a/.local/state/opsagent/opsagent.db".into()));
    let error = of(None, &[]).unwrap_err();
    assert_eq!(error.reason(), "no_place");
    assert!(error.to_string().contains("StateDirectory="), "{error}");
}

#[test]
fn a_shell_finds_the_store_of_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let set = [("HOME", home.to_str().unwrap())];
    let service = folder.path().join("service");
    let own = home.join(".local/state/opsagent/opsagent.db");
    let of = |set: &[(&str, &str)]| of_command_at(None, env(set), &service).unwrap();
    assert_eq!(of(&set), own, "there is none of a service");
    fs::create_dir(&service).unwrap();
    fs::write(service.join(FILE_NAME), "").unwrap();
    assert_eq!(of(&set), service.join(FILE_NAME));
    assert_eq!(of(&[("STATE_DIRECTORY", "/s")]), Path::new("/s/opsagent.db"), "it is told");
    assert_eq!(of_command_at(Some(Path::new("/c.db")), env(&set), &service).unwrap(), Path::new("/c.db"));
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    fs::write(&own, "").unwrap();
    assert_eq!(of(&set), own, "this user's own agent has one");
}

#[test]
fn a_network_file_system_is_known_by_its_number() {
    assert_eq!(name_of(0x6969), Some("NFS"));
    assert_eq!(name_of(0xEF53), None, "ext4");
    assert_eq!(name_of(0x0102_1994), None, "tmpfs");
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(network(&folder.path().join("not/there/yet")), None);
}

#[test]
fn folder_and_file_are_closed_to_others_and_a_file_that_was_open_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/opsagent.db");
    make(&path).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    close_to_others(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn what_is_no_store_is_told_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let told = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let told = look(&path);
        assert_eq!(fs::read(&path).unwrap(), bytes, "it is left as it is");
        told.map_err(|error| (error.reason(), error.found().to_owned()))
    };
    let mut other = MAGIC.to_vec();
    other.resize(4096, 0);
    let mut ours = other.clone();
    ours[68..72].copy_from_slice(b"opsa");
    ours[16..18].copy_from_slice(&4096_u16.to_be_bytes());
    ours[28..32].copy_from_slice(&1_u32.to_be_bytes());
    assert_eq!(told(b""), Ok(Found::Nothing));
    assert_eq!(told(&ours), Ok(Found::Store));
    assert_eq!(told(&other), Err(("foreign", "it is a database of another program".into())));
    assert_eq!(told(b"hello"), Err(("foreign", "it is no file of SQLite".into())));
    let cut = "it is cut off: it has 2000 bytes, and its head says 4096";
    assert_eq!(told(&ours[..2000]), Err(("damaged", cut.into())));
    assert_eq!(told(&ours[..40]), Err(("damaged", "it ends after 40 bytes".into())));
    let zeros = "it begins with zeros, not as a file of SQLite";
    assert_eq!(told(&[0; 4096]), Err(("damaged", zeros.into())));
    fs::remove_file(&path).unwrap();
    assert_eq!(look(&path), Ok(Found::Nothing));
    fs::create_dir(&path).unwrap();
    assert_eq!(look(&path).unwrap_err().found(), "it is a folder");
}
