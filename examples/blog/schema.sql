create table if not exists users (
    id bigint primary key auto_increment,
    name varchar(50) not null unique,
    salt binary(16) not null,
    password binary(32) not null,
    admin bool not null default false,
    created_at datetime(6) not null
) engine=innodb default charset=utf8mb4;

create table if not exists posts (
    id bigint primary key auto_increment,
    user_id bigint not null,
    title varchar(200) not null,
    body mediumtext not null,
    created_at datetime(6) not null,
    foreign key (user_id) references users (id)
) engine=innodb default charset=utf8mb4;

create table if not exists comments (
    id bigint primary key auto_increment,
    post_id bigint not null,
    user_id bigint not null,
    body text not null,
    created_at datetime(6) not null,
    foreign key (post_id) references posts (id) on delete cascade,
    foreign key (user_id) references users (id)
) engine=innodb default charset=utf8mb4;
